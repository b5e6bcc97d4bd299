/** Which dialog is open. */

import { computed, signal } from '@preact/signals';

/** The camera whose dialog is open. */
export const openCamera = signal<string | null>(null);
export const helpOpen = signal(false);
export const dialogOpen = computed(() => openCamera.value !== null || helpOpen.value);

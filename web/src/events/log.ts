/** The log's filter, its pause and its rows, as signals. */

import { computed, signal } from '@preact/signals';
import { events } from '../store/store';
import { kinds, newSince, rows } from './rows';

/** The kind shown; null shows all. */
export const kind = signal<string | null>(null);
/** The newest event that was there when the reader stopped the log; null while it runs. */
export const heldAt = signal<number | null>(null);

export const shownRows = computed(() => rows(events.value, kind.value, heldAt.value));
export const newCount = computed(() =>
  heldAt.value === null ? 0 : newSince(events.value, kind.value, heldAt.value),
);
/** The filter's own kind stays in the list when its last event has left the log. */
export const shownKinds = computed(() => {
  const present = kinds(events.value);
  return kind.value === null || present.includes(kind.value) ? present : [...present, kind.value];
});

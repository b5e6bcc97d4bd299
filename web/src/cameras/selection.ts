/** The grid's filter and what it lets through, as signals. */

import { computed, signal } from '@preact/signals';
import { cameras } from '../store/store';
import { type Selection, sameSelection, select, sortedNames, type View } from './select';

export const view = signal<View>('all');
export const findText = signal('');
/** The camera that the keyboard was last on. */
export const activeCamera = signal<string | null>(null);

let lastNames: readonly string[] = [];
let last: Selection | null = null;

const names = computed(() => {
  lastNames = sortedNames(lastNames, cameras.value);
  return lastNames;
});

/** Keeps its identity while nothing visible changes, so that a new picture redraws its tile and not the grid. */
export const selection = computed(() => {
  const next = select(cameras.value, names.value, view.value, findText.value);
  if (last === null || !sameSelection(last, next)) last = next;
  return last;
});

export function showAll(): void {
  view.value = 'all';
  findText.value = '';
}

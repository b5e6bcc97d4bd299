/** Keys that work anywhere on the page, and the pointer that hides on a kiosk. */

import { after, type Cancel } from './schedule';
import { dialogOpen, helpOpen } from './store/dialogs';

const POINTER_REST_MS = 5_000;

export type Shortcut = 'find' | 'help';

/** Which shortcut a key means; none while someone types or a dialog is open. */
export function shortcut(key: string, typing: boolean, dialog: boolean): Shortcut | null {
  if (typing || dialog) return null;
  if (key === '/') return 'find';
  return key === '?' ? 'help' : null;
}

export function listenForShortcuts(signal: AbortSignal): void {
  document.addEventListener(
    'keydown',
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const action = shortcut(event.key, isTyping(event.target), dialogOpen.peek());
      if (action === null) return;
      event.preventDefault();
      if (action === 'help') helpOpen.value = true;
      else document.getElementById('find')?.focus();
    },
    { signal },
  );
}

/** A kiosk's pointer disappears when it rests. */
export function hidePointer(root: HTMLElement, signal: AbortSignal): void {
  let cancel: Cancel = () => {};
  const moved = () => {
    cancel();
    root.classList.remove('resting');
    cancel = after(POINTER_REST_MS, () => root.classList.add('resting'));
  };
  document.addEventListener('pointermove', moved, { signal });
  moved();
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
}

/** The Now pane's camera as a signal. It remembers the last choice, because a choice stays for a while. */

import { computed } from '@preact/signals';
import { serverNow, world } from '../store/store';
import { type Focus, focus } from './focus';

let last: Focus | null = null;

export const focused = computed(() => {
  last = focus(last, world.value, serverNow.value);
  return last;
});

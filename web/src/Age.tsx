/** Times that count: these small components are all that is drawn again each second. */

import { due, duration } from './format';
import { language, t } from './store/settings';
import { serverNow } from './store/store';

interface Props {
  /** RFC 3339. */
  readonly at: string;
}

/** How long ago `at` was. */
export function Age({ at }: Props) {
  return <span class="age">{duration(serverNow.value - Date.parse(at), t)}</span>;
}

/** When `at` comes. */
export function Due({ at }: Props) {
  return <b>{due(Date.parse(at), serverNow.value, t, language.value)}</b>;
}

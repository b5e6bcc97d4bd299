/** The list of keys. */

import { Dialog } from '../Dialog';
import type { Key } from '../i18n/translate';
import { helpOpen } from '../store/dialogs';
import { t } from '../store/settings';

const KEYS: readonly (readonly [string, Key])[] = [
  ['← → ↑ ↓', 'help.arrows'],
  ['Home  End', 'help.ends'],
  ['Enter', 'help.enter'],
  ['Esc', 'help.esc'],
  ['H', 'help.hd'],
  ['M', 'help.sound'],
  ['R', 'help.reconnect'],
  ['/', 'help.find'],
  ['?', 'help.help'],
];

export function HelpDialog() {
  if (!helpOpen.value) return null;
  return (
    <Dialog
      name="help"
      title={t('help.title')}
      onClose={() => {
        helpOpen.value = false;
      }}
    >
      <dl class="facts">
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

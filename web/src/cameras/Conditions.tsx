/** A camera's conditions as the server judges them, each with its reason. */

import { clockTime } from '../format';
import { language, t } from '../store/settings';
import { today } from '../store/store';
import type { Condition } from '../wire';

export function Conditions({ conditions }: { readonly conditions: readonly Condition[] }) {
  return (
    <>
      <h3>{t('dialog.conditions')}</h3>
      {conditions.length === 0 && <p class="note">{t('dialog.noConditions')}</p>}
      <ul class="conditions">
        {conditions.map((condition) => (
          <li key={condition.type} class={condition.status.toLowerCase()}>
            <p>
              <b>{condition.type}</b> {t(`condition.${condition.status}`)}
              <time dateTime={condition.lastTransitionTime}>
                {clockTime(Date.parse(condition.lastTransitionTime), today.value, language.value)}
              </time>
            </p>
            <p class="note">{[condition.reason, condition.message].filter(Boolean).join(': ')}</p>
          </li>
        ))}
      </ul>
    </>
  );
}

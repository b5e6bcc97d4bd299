/** A camera's state as a shape: never only a colour. */

import { t } from '../store/settings';
import type { Badge as BadgeKind } from '../wire';

export function Badge({ kind }: { readonly kind: BadgeKind }) {
  return (
    <svg class={`badge ${kind}`} viewBox="0 0 12 12" role="img" aria-label={t(`badge.${kind}`)}>
      <Shape kind={kind} />
    </svg>
  );
}

function Shape({ kind }: { readonly kind: BadgeKind }) {
  switch (kind) {
    case 'ok':
      return <circle class="fill" cx="6" cy="6" r="4.5" />;
    case 'busy':
      return <circle class="ring" cx="6" cy="6" r="4" stroke-dasharray="16 9" />;
    case 'warn':
      return <path class="fill" d="M6 1 11.5 11H.5z" />;
    case 'bad':
      return <rect class="fill" x="1.5" y="1.5" width="9" height="9" rx="1" />;
    case 'off':
      return <path class="ring" d="M6 1.5 10.5 6 6 10.5 1.5 6z" />;
  }
}

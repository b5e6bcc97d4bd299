/** A catalogue text with elements in its placeholders. */

import type { ComponentChildren, VNode } from 'preact';
import { type Key, pieces } from './i18n/translate';
import { t } from './store/settings';

interface Props {
  readonly of: Key;
  readonly with: Readonly<Record<string, ComponentChildren>>;
}

export function Rich({ of, with: parts }: Props): VNode {
  return <>{pieces(t(of)).map((piece) => ('text' in piece ? piece.text : parts[piece.name]))}</>;
}

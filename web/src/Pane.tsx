/** One of the wall's panes: a titled section with its controls. */

import type { ComponentChildren } from 'preact';
import { kiosk } from './store/settings';

interface Props {
  readonly name: 'now' | 'cameras' | 'events';
  readonly title: string;
  readonly controls?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Pane({ name, title, controls, children }: Props) {
  return (
    <section class={`pane ${name}`} aria-labelledby={`${name}-title`}>
      <div class="head">
        <h2 id={`${name}-title`}>{title}</h2>
        {!kiosk && <div class="controls">{controls}</div>}
      </div>
      {children}
    </section>
  );
}

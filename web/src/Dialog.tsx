/** A native modal dialog. The browser keeps the focus inside and gives it back when it closes. */

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from './store/settings';

interface Props {
  readonly name: string;
  readonly title: ComponentChildren;
  readonly onClose: () => void;
  /** A key without modifiers, pressed anywhere in the dialog. */
  readonly onKey?: (key: string) => void;
  readonly children: ComponentChildren;
}

/** Open while mounted. Only the browser closes it, so that it gives the focus back; `onClose` unmounts it then. */
export function Dialog({ name, title, onClose, onKey, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={name}
      aria-labelledby={`${name}-title`}
      onClose={onClose}
      onKeyDown={({ key, ctrlKey, metaKey, altKey }) => ctrlKey || metaKey || altKey || onKey?.(key)}
      onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}
    >
      <div class="sheet">
        <div class="head">
          <h2 id={`${name}-title`}>{title}</h2>
          <button type="button" onClick={() => dialog.current?.close()}>
            {t('dialog.close')}
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

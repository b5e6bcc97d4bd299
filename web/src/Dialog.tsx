/** A native modal dialog. The browser keeps the focus inside and gives it back when it closes. */

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from './store/settings';

interface Props {
  readonly name: string;
  readonly title: ComponentChildren;
  readonly onClose: () => void;
  /** A key without modifiers, pressed while the dialog is open. */
  readonly onKey?: (key: string) => void;
  readonly children: ComponentChildren;
}

/** Open while mounted. Only the browser closes it, so that it gives the focus back; `onClose` unmounts it then. */
export function Dialog({ name, title, onClose, onKey, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const keyed = useRef(onKey);
  keyed.current = onKey;
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    const unmounted = new AbortController();
    const { signal } = unmounted;
    // On the document: a button that goes away while it has the focus leaves the keys to the page behind.
    const pressed = ({ key, ctrlKey, metaKey, altKey }: KeyboardEvent) => {
      if (!(ctrlKey || metaKey || altKey)) keyed.current?.(key);
    };
    // Beside the sheet, as the Escape key.
    const clicked = ({ target }: MouseEvent) => target === element && element.close();
    document.addEventListener('keydown', pressed, { signal });
    element.addEventListener('click', clicked, { signal });
    element.showModal();
    return () => {
      unmounted.abort();
      element.close();
    };
  }, []);
  return (
    <dialog ref={dialog} class={name} aria-labelledby={`${name}-title`} onClose={onClose}>
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

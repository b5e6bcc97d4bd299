/** The event log, newest first. It holds still while someone reads it. */

import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { knownKey } from '../i18n/translate';
import { Pane } from '../Pane';
import { t } from '../store/settings';
import { events } from '../store/store';
import { EventRow } from './EventRow';
import { heldAt, kind, newCount, shownKinds, shownRows } from './log';

export function EventsPane() {
  return (
    <Pane name="events" title={t('events.title')} controls={<KindFilter />}>
      <Log />
    </Pane>
  );
}

function KindFilter() {
  return (
    <select
      aria-label={t('events.kind')}
      value={kind.value ?? ''}
      onChange={(event) => {
        kind.value = event.currentTarget.value || null;
      }}
    >
      <option value="">{t('events.allKinds')}</option>
      {shownKinds.value.map((name) => {
        const key = knownKey(`event.${name}`);
        return (
          <option key={name} value={name}>
            {key === null ? name : t(key)}
          </option>
        );
      })}
    </select>
  );
}

function Log() {
  const log = useRef<HTMLDivElement>(null);
  const hovered = useSignal(false);
  const hold = () => {
    heldAt.value ??= events.value.at(-1)?.seq ?? 0;
  };
  const resume = () => {
    heldAt.value = null;
  };
  return (
    <div
      class="reading"
      onPointerEnter={(event) => {
        hovered.value = event.pointerType === 'mouse';
        if (hovered.value) hold();
      }}
      onPointerLeave={(event) => {
        hovered.value = false;
        if (!event.currentTarget.contains(document.activeElement)) resume();
      }}
      onFocusIn={hold}
      onFocusOut={(event) => {
        const inside =
          event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget);
        if (!inside && !hovered.value) resume();
      }}
    >
      <NewPill
        onShow={() => {
          heldAt.value = events.value.at(-1)?.seq ?? 0;
          log.current?.scrollTo({ top: 0 });
        }}
      />
      <div
        class="log scroll"
        ref={log}
        role="log"
        aria-live="polite"
        aria-label={t('events.logLabel')}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the log scrolls, so the keyboard must reach it.
        tabIndex={0}
        onKeyDown={(event) => {
          if (moveFocus(event.currentTarget, event.key)) event.preventDefault();
        }}
      >
        {shownRows.value.length === 0 && (
          <p class="empty">{kind.value === null ? t('events.empty') : t('events.noMatch')}</p>
        )}
        {shownRows.value.map((row) => (
          <EventRow key={row.key} event={row.newest} count={row.count} />
        ))}
      </div>
    </div>
  );
}

/** Arrow keys lead from row to row, Enter opens the row's camera. True when the key moved the focus. */
function moveFocus(log: HTMLElement, key: string): boolean {
  const buttons = [...log.querySelectorAll<HTMLElement>('.source')];
  const from = document.activeElement instanceof HTMLElement ? buttons.indexOf(document.activeElement) : -1;
  const to = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: buttons.length - 1 }[key];
  const target = to === undefined ? undefined : buttons[to];
  target?.focus();
  return target !== undefined;
}

function NewPill({ onShow }: { readonly onShow: () => void }) {
  const count = newCount.value;
  if (count === 0) return null;
  return (
    <button type="button" class="pill" title={t('events.resume')} onClick={onShow}>
      {t('events.new', { n: count })}
    </button>
  );
}

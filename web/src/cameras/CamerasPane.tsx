/** The grid of all cameras with its filters. */

import { computed } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { Pane } from '../Pane';
import { t } from '../store/settings';
import { cameras } from '../store/store';
import { EmptyGrid } from './EmptyGrid';
import { GroupHead } from './GroupHead';
import { move } from './keys';
import type { View } from './select';
import { activeCamera, findText, selection, view } from './selection';
import { Tile } from './Tile';

const shownNames = computed(() => selection.value.groups.flatMap(({ names }) => names));
const tabStop = computed(() => {
  const active = activeCamera.value;
  return active !== null && shownNames.value.includes(active) ? active : shownNames.value[0];
});

export function CamerasPane() {
  return (
    <Pane name="cameras" title={t('cameras.title')} controls={<Filters />}>
      {selection.value.shown === 0 ? <EmptyGrid /> : <Grid />}
    </Pane>
  );
}

function Filters() {
  const { total, problems } = selection.value;
  return (
    <>
      <input
        id="find"
        type="search"
        aria-label={t('cameras.findLabel')}
        aria-keyshortcuts="/"
        placeholder={t('cameras.find')}
        value={findText.value}
        onInput={(event) => {
          findText.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
      />
      <ViewButton of="all" label={t('cameras.all', { n: total })} />
      <ViewButton of="problems" label={t('cameras.problems', { n: problems })} />
      <ViewButton of="bySubnet" label={t('cameras.bySubnet')} />
    </>
  );
}

function ViewButton({ of, label }: { readonly of: View; readonly label: string }) {
  return (
    <button
      type="button"
      aria-pressed={view.value === of}
      onClick={() => {
        view.value = of;
      }}
    >
      {label}
    </button>
  );
}

function Grid() {
  const grid = useRef<HTMLElement>(null);
  return (
    <section
      class="grid scroll"
      ref={grid}
      aria-label={t('cameras.gridLabel')}
      onKeyDown={(event) => {
        if (grid.current !== null && moveFocus(grid.current, event.key)) event.preventDefault();
      }}
    >
      {selection.value.groups.map(({ subnet, names }) => (
        <div key={subnet ?? ''} class="group">
          {subnet !== null && <GroupHead name={subnet} />}
          <ul class="tiles">
            {names.map((name) => (
              <Tile key={name} name={name} tabStop={tabStop} />
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}

/** True when the key moved the focus. */
function moveFocus(grid: HTMLElement, key: string): boolean {
  const tiles = [...grid.querySelectorAll<HTMLElement>('[data-camera]')];
  const from = document.activeElement instanceof HTMLElement ? tiles.indexOf(document.activeElement) : -1;
  const to = move(
    key,
    from,
    tiles.map((tile) => tile.getBoundingClientRect()),
  );
  const target = to === null ? undefined : tiles[to];
  const name = target?.dataset.camera;
  if (target === undefined || name === undefined || !cameras.value.has(name)) return false;
  activeCamera.value = name;
  target.focus();
  return true;
}

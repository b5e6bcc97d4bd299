/** A place for one picture. The loader puts decoded pictures into it; Preact never touches its children. */

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { addPlace, type PlaceState, wantPicture } from './store/pictures';
import { t } from './store/settings';

interface Props {
  /** Null: there is no picture to show. */
  readonly url: string | null;
  /** What the picture shows, for those who cannot see it. */
  readonly label: string;
  /** See `wantPicture`. */
  readonly owned?: boolean;
  /** Drawn over the picture. */
  readonly children?: ComponentChildren;
}

export function Picture({ url, label, owned = false, children }: Props) {
  const place = useRef<HTMLSpanElement>(null);
  const state = useSignal<PlaceState>('blank');
  useEffect(() => {
    if (place.current === null) return;
    return addPlace(place.current, (next) => {
      // A picture that could not be renewed is still a picture, and its age says the rest.
      if (next === 'filled' || state.peek() === 'blank') state.value = next;
    });
  }, [state]);
  useEffect(() => {
    if (place.current !== null) wantPicture(place.current, url, owned);
  }, [url, owned]);
  return (
    <span class={`pic ${state.value}`} title={state.value === 'failed' ? t('picture.failed') : ''}>
      <span class="frame" ref={place} role="img" aria-label={label} />
      {state.value === 'failed' && <span class="over">{t('picture.failed')}</span>}
      {children}
    </span>
  );
}

/** A place for one picture. The loader puts decoded pictures into it; Preact never touches its children. */

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { addPlace, wantPicture } from './store/pictures';

interface Props {
  /** Null: there is no picture to show. */
  readonly url: string | null;
  /** What the picture shows, for those who cannot see it. */
  readonly label: string;
  /** Drawn over the picture. */
  readonly children?: ComponentChildren;
}

export function Picture({ url, label, children }: Props) {
  const place = useRef<HTMLSpanElement>(null);
  const filled = useSignal(false);
  useEffect(() => {
    if (place.current === null) return;
    return addPlace(place.current, () => {
      filled.value = true;
    });
  }, [filled]);
  useEffect(() => {
    if (place.current !== null) wantPicture(place.current, url);
  }, [url]);
  return (
    <span class={filled.value ? 'pic filled' : 'pic'}>
      <span class="frame" ref={place} role="img" aria-label={label} />
      {children}
    </span>
  );
}

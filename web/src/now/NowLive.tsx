/** The suggested camera live, and a quiet word while it is not. */

import { due } from '../format';
import { LiveStill } from '../live/LiveStill';
import { isRefusal } from '../live/why';
import { whyText } from '../live/words';
import { suggestPane } from '../store/live';
import { language, t } from '../store/settings';
import { localNow } from '../store/store';
import type { Camera } from '../wire';

export function NowLive({ camera }: { readonly camera: Camera }) {
  return (
    <LiveStill camera={camera} pane={suggestPane}>
      <Word />
    </LiveStill>
  );
}

function Word() {
  const { phase } = suggestPane.view.value;
  switch (phase.kind) {
    case 'idle':
    case 'playing':
      return null;
    case 'asking':
    case 'opening':
      return <span class="tag word">{t('live.connecting')}</span>;
    case 'stopped':
      return <Sentences of={[whyText(phase.why, t), t('live.stills')]} />;
    case 'waiting': {
      const next = isRefusal(phase.why) ? t('live.stills') : retry(phase.retryAt);
      return <Sentences of={[whyText(phase.why, t), next]} />;
    }
  }
}

function Sentences({ of }: { readonly of: readonly string[] }) {
  return <span class="tag word">{of.join(language.value === 'ja' ? '' : ' ')}</span>;
}

function retry(at: number): string {
  return t('live.retry', { when: due(at, Math.min(localNow.value, at - 1000), t, language.value) });
}

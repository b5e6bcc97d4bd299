/** The one thin line that answers: connected, how many are ready, what is in use, what comes next. */

import { Due } from '../Age';
import { clockSeconds, shortRevision } from '../format';
import { Rich } from '../Rich';
import { helpOpen } from '../store/dialogs';
import { kiosk, language, switchLanguage, switchTheme, t, theme } from '../store/settings';
import { link, serverNow, status } from '../store/store';
import type { Status } from '../wire';
import { LinkState } from './LinkState';

/** In place of a number that the server does not know. */
const UNKNOWN = '–';

export function Header() {
  return (
    <header class={link.value.phase !== 'connected' && link.value.failures > 0 ? 'lost' : ''}>
      <b class="brand">camserver</b>
      <LinkState />
      <Facts />
      <span class="space" />
      {!kiosk && <Switches />}
      <Clock />
    </header>
  );
}

function Facts() {
  const current = status.value;
  if (current === null) return null;
  const { cameras } = current;
  return (
    <>
      <span class="fact ready">
        <Rich of="header.ready" with={{ ready: <b>{cameras.ready}</b>, total: cameras.total }} />
      </span>
      <span class="more">
        <MoreFacts status={current} />
      </span>
    </>
  );
}

function MoreFacts({ status: { connections, liveViews, nextSweep, ...rest } }: { readonly status: Status }) {
  return (
    <>
      <span class="fact">
        <Rich
          of="header.connections"
          with={{ used: <b>{connections.used ?? UNKNOWN}</b>, limit: connections.limit }}
        />
      </span>
      <span class="fact">
        <Rich
          of="header.liveViews"
          with={{ used: <b>{liveViews.used ?? UNKNOWN}</b>, limit: liveViews.limit }}
        />
      </span>
      <span class="fact">
        {nextSweep === null ? (
          t('header.noSweep')
        ) : (
          <Rich
            of="header.nextSweep"
            with={{ subnet: <b>{nextSweep.subnet}</b>, when: <Due at={nextSweep.at} /> }}
          />
        )}
      </span>
      <ConfigSet {...rest} />
    </>
  );
}

type ConfigSetProps = Pick<Status, 'generation' | 'revision' | 'configValid'>;

function ConfigSet({ generation, revision, configValid }: ConfigSetProps) {
  const number = <b>{generation}</b>;
  return (
    <span class="fact set">
      {!configValid && <b class="alarm">{t('header.invalid')}</b>}{' '}
      {revision === null ? (
        <Rich of="header.setOnly" with={{ generation: number }} />
      ) : (
        <Rich of="header.set" with={{ generation: number, revision: shortRevision(revision) }} />
      )}
    </span>
  );
}

function Switches() {
  const other = t(theme.value === 'dark' ? 'header.toLight' : 'header.toDark');
  const language = t('header.language');
  return (
    <span class="switches">
      <button type="button" id="language" title={language} aria-label={language} onClick={switchLanguage}>
        {t('header.languageShort')}
      </button>
      <button type="button" id="theme" title={other} aria-label={other} onClick={switchTheme}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <circle class="ring" cx="8" cy="8" r="6" />
          <path class="fill" d="M8 2a6 6 0 0 1 0 12z" />
        </svg>
      </button>
      <button
        type="button"
        id="help"
        title={t('header.help')}
        aria-label={t('header.help')}
        onClick={() => {
          helpOpen.value = true;
        }}
      >
        ?
      </button>
    </span>
  );
}

function Clock() {
  const now = serverNow.value;
  return <b class="clock">{clockSeconds(now, now, language.value)}</b>;
}

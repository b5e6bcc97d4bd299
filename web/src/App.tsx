/** The whole wall. */

import { CameraDialog } from './cameras/CameraDialog';
import { CamerasPane } from './cameras/CamerasPane';
import { EventsPane } from './events/EventsPane';
import { Header } from './header/Header';
import { HelpDialog } from './header/HelpDialog';
import { Banner } from './header/LinkState';
import { NowPane } from './now/NowPane';
import { t } from './store/settings';
import { link, status } from './store/store';

export function App() {
  const { phase, failures } = link.value;
  return (
    <>
      <Header />
      <Banner />
      {status.value === null ? (
        <p class="empty first">{failures === 0 ? t('app.connecting') : t('app.never')}</p>
      ) : (
        <main class={phase !== 'connected' && failures > 0 ? 'outdated' : ''}>
          <NowPane />
          <CamerasPane />
          <EventsPane />
        </main>
      )}
      <CameraDialog />
      <HelpDialog />
    </>
  );
}

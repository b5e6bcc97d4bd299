/** One camera in full: its live picture, its state with reasons, its connections, its earlier pictures. */

import { Dialog } from '../Dialog';
import { bytes } from '../format';
import { LiveBar, viewKey } from '../live/LiveBar';
import { LiveStill } from '../live/LiveStill';
import { Strip } from '../now/Strip';
import { heldBy, nextStep, stateReason } from '../reasons';
import { openCamera } from '../store/dialogs';
import { modalPane } from '../store/live';
import { language, t } from '../store/settings';
import { cameras, serverNow } from '../store/store';
import type { Camera } from '../wire';
import { Badge } from './Badge';
import { Conditions } from './Conditions';

export function CameraDialog() {
  const name = openCamera.value;
  if (name === null) return null;
  const camera = cameras.value.get(name);
  return (
    <Dialog
      key={name}
      name="camera"
      title={<Title camera={camera} name={name} />}
      onClose={() => closed(name)}
      onKey={viewKey}
    >
      {camera === undefined ? <p class="empty">{t('dialog.removed')}</p> : <Body camera={camera} />}
    </Dialog>
  );
}

/** The browser says so a moment later: somebody may have opened another camera meanwhile. */
function closed(name: string): void {
  if (openCamera.value === name) openCamera.value = null;
}

function Title({ camera, name }: { readonly camera: Camera | undefined; readonly name: string }) {
  if (camera === undefined) return <>{name}</>;
  return (
    <>
      <Badge kind={camera.state.badge} />
      {camera.displayName}
    </>
  );
}

function Body({ camera }: { readonly camera: Camera }) {
  const { lastFrame } = camera;
  return (
    <div class="body">
      <div class="pictures">
        <LiveStill camera={camera} pane={modalPane} />
        <LiveBar />
        <Strip camera={camera.name} newest={lastFrame?.id ?? null} limit={6} />
      </div>
      <div class="details">
        <Facts camera={camera} />
        <Conditions conditions={camera.conditions} />
      </div>
    </div>
  );
}

function Facts({ camera }: { readonly camera: Camera }) {
  const { lastFrame, connections, limit } = camera;
  const others = heldBy(camera, t);
  const next = nextStep(camera.state, serverNow.value, t, language.value);
  return (
    <dl class="facts">
      <Fact name={t('dialog.reason')} value={stateReason(camera, t)} />
      <Fact name={t('dialog.next')} value={next || t('dialog.noNext')} />
      <Fact
        name={t('dialog.connections')}
        value={t('dialog.connectionsValue', { ours: connections.ours, foreign: connections.foreign, limit })}
      />
      {others !== '' && <Fact name={t('dialog.heldBy')} value={others} />}
      {camera.failures > 0 && <Fact name={t('dialog.failures')} value={String(camera.failures)} />}
      {lastFrame !== null && (
        <Fact
          name={t('dialog.picture')}
          value={t('dialog.pictureValue', {
            width: lastFrame.width,
            height: lastFrame.height,
            bytes: bytes(lastFrame.bytes),
            backend: lastFrame.backend,
          })}
        />
      )}
      <Fact name={t('dialog.codec')} value={camera.codec ?? t('dialog.unknown')} />
      <Fact name={t('dialog.address')} value={`${camera.device} · ${camera.subnet}`} />
    </dl>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

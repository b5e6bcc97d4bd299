/** Why the grid shows no camera, and what to do about it. */

import { t } from '../store/settings';
import { findText, selection, showAll } from './selection';

const EXAMPLE = `apiVersion: camserver.dev/v1
kind: Camera
metadata:
  name: gate-north
spec:
  subnet: shop
  address: 192.168.125.19
  streams: {sub: /stream2}
  credentials:
    username: admin
    passwordFrom: {env: GATE_NORTH_PASSWORD}`;

export function EmptyGrid() {
  if (selection.value.total === 0) {
    return (
      <div class="empty">
        <p>{t('cameras.none')}</p>
        <p>{t('cameras.howTo')}</p>
        <pre>{EXAMPLE}</pre>
      </div>
    );
  }
  const text = findText.value.trim();
  return (
    <div class="empty">
      <p>{text === '' ? t('cameras.noProblems') : t('cameras.noMatch', { text })}</p>
      <button type="button" onClick={showAll}>
        {t('cameras.showAll')}
      </button>
    </div>
  );
}

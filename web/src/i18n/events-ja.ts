/** Japanese texts of the event log. */

import type { eventsEn } from './events-en';

export const eventsJa: { readonly [K in keyof typeof eventsEn]: string } = {
  'events.title': 'イベント',
  'events.kind': 'イベントの種類',
  'events.allKinds': 'すべての種類',
  'events.empty': 'まだ何も起きていません。',
  'events.noMatch': 'この種類のイベントは記録にありません。',
  'events.new': '新着 {n} 件',
  'events.resume': '新しいイベントを表示',
  'events.server': 'サーバー',
  'events.logLabel': 'イベント記録、新しい順',
  'events.open': '{camera} を開く',
  'events.cause': '{what}: {reason}',

  'event.human': '人',
  'event.animal': '動物',
  'event.vehicle': '車両',
  'event.motion': '動き',
  'event.unknown': '不明な物体',
  'event.camera_issue': '映像の異常',
  'event.camera_lost': 'カメラ断',
  'event.camera_recovered': 'カメラ復旧',
  'event.config_applied': '設定を適用しました',
  'event.config_refused': '設定を拒否しました',
  'event.config_held': '設定は確認待ちです',
  'event.sweep_overrun': '巡回が時間を超過しました',
  'event.server_started': 'サーバーが起動しました',
  'event.events_dropped': 'イベントの一部が失われました',
  'event.store_lost': 'データベースに接続できません',
  'event.store_recovered': 'データベースが復旧しました',
  'event.process_killed': '残存プロセスを終了しました',
  'event.process_undead': '終了できないプロセスがあります',
  'event.lease_revoked': '管理者がライブ表示を終了しました',
  'event.overload_began': 'サーバーが過負荷です。新しいライブ表示を停止しています',
  'event.overload_ended': 'サーバーの過負荷が解消しました',
};

import { expect, test } from 'vitest';
import { hasSound, Loudspeaker, type Sound } from '../src/live/sound';

test('a stream says whether it has sound', () => {
  expect(hasSound('video/mp4; codecs="avc1.640028,mp4a.40.2"')).toBe(true);
  expect(hasSound('video/mp4; codecs="avc1.640028"')).toBe(false);
});

test('what is wished holds over another beginning, and not for another view', () => {
  const video = { muted: true } as HTMLVideoElement;
  const told: Sound[] = [];
  let made = 0;
  const speaker = new Loudspeaker(
    () => {
      made += 1;
      return video;
    },
    (sound) => told.push(sound),
  );
  speaker.reset();
  expect(made).toBe(0);
  speaker.begins(true);
  expect([video.muted, speaker.sound]).toEqual([true, 'off']);
  speaker.wish(true);
  expect(video.muted).toBe(false);
  speaker.begins(false);
  expect([video.muted, speaker.sound]).toEqual([true, 'none']);
  speaker.begins(true);
  expect(video.muted).toBe(false);
  speaker.reset();
  speaker.begins(true);
  expect(video.muted).toBe(true);
  expect(told).toEqual(['off', 'on', 'none', 'on', 'none', 'off']);
});

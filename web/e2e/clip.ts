/** A real H.264 clip as fragments, made once by ffmpeg: each picture carries its number as a row of black and
 * white blocks, so that a test can read in the browser which one is shown. */

import { execFileSync } from 'node:child_process';

export const FRAMES_PER_SECOND = 20;
/** A group of pictures is one second; the clip is so many of them. */
const SECONDS = 10;
export const CLIP_FRAMES = FRAMES_PER_SECOND * SECONDS;
/** The number's bits, most significant first, in the top eighth of the picture. */
export const BITS = 8;

export interface Clip {
  readonly mime: string;
  readonly init: Buffer;
  /** One `moof` and `mdat` per picture. */
  readonly fragments: readonly Buffer[];
  /** Ticks of the clip's clock per picture. */
  readonly ticks: number;
}

const made = new Map<string, Clip>();

export function clip(width: number, height: number): Clip {
  const key = `${width}x${height}`;
  const known = made.get(key) ?? cut(encode(width, height));
  made.set(key, known);
  return known;
}

/** The fragment at its place in an endless stream: a copy with the decode time of picture `index`. */
export function at(clip: Clip, index: number): Buffer {
  const fragment = Buffer.from(clip.fragments[index % clip.fragments.length] as Buffer);
  const box = fragment.indexOf('tfdt');
  const time = BigInt(index) * BigInt(clip.ticks);
  if (fragment[box + 4] === 1) fragment.writeBigUInt64BE(time, box + 8);
  else fragment.writeUInt32BE(Number(time), box + 8);
  return fragment;
}

function encode(width: number, height: number): Buffer {
  const raw = Buffer.concat(
    Array.from({ length: CLIP_FRAMES }, (_, number) => picture(width, height, number)),
  );
  const options =
    `-f rawvideo -pix_fmt yuv420p -s ${width}x${height} -r ${FRAMES_PER_SECOND} -i - ` +
    `-c:v libx264 -profile:v high -preset ultrafast -tune zerolatency -g ${FRAMES_PER_SECOND} -bf 0 ` +
    '-f mp4 -movflags frag_every_frame+empty_moov+default_base_moof -';
  return execFileSync('ffmpeg', ['-v', 'error', ...options.split(' ')], { input: raw, maxBuffer: 64 << 20 });
}

/** Grey hills, and the number on top. */
function picture(width: number, height: number, number: number): Buffer {
  const luma = Buffer.alloc(width * height);
  for (let y = 0; y < height; y += 1) {
    const row = luma.subarray(y * width, (y + 1) * width);
    if (y >= height / 8) row.fill(60 + (((y * 120) / height + number * 2) % 120));
    else {
      for (let bit = 0; bit < BITS; bit += 1) {
        const white = (number >> (BITS - 1 - bit)) & 1;
        row.fill(white ? 235 : 16, (bit * width) / BITS, ((bit + 1) * width) / BITS);
      }
    }
  }
  const chroma = Buffer.alloc((width * height) / 2, 128);
  chroma.fill(110, 0, chroma.length / 2);
  return Buffer.concat([luma, chroma]);
}

function cut(file: Buffer): Clip {
  const boxes: { readonly type: string; readonly bytes: Buffer }[] = [];
  for (let at = 0; at + 8 <= file.length; ) {
    const size = file.readUInt32BE(at);
    boxes.push({ type: file.toString('latin1', at + 4, at + 8), bytes: file.subarray(at, at + size) });
    at += size;
  }
  const of = (type: string) => boxes.filter((box) => box.type === type).map(({ bytes }) => bytes);
  const init = Buffer.concat([...of('ftyp'), ...of('moov')]);
  const data = of('mdat');
  const fragments = of('moof').map((moof, index) => Buffer.concat([moof, data[index] as Buffer]));
  const profile = init.subarray(init.indexOf('avcC') + 5, init.indexOf('avcC') + 8).toString('hex');
  const timescale = init.readUInt32BE(init.indexOf('mdhd') + 16);
  const mime = `video/mp4; codecs="avc1.${profile}"`;
  return { mime, init, fragments, ticks: timescale / FRAMES_PER_SECOND };
}

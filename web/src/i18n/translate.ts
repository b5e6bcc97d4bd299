/** Looks up texts and fills in their placeholders. Pure: the language in force lives in `store/settings.ts`. */

import { en } from './en';

export type Key = keyof typeof en;
export type Catalogue = { readonly [K in Key]: string };
export type Params = Readonly<Record<string, string | number>>;
export type Translate = (key: Key, params?: Params) => string;
export type Language = 'en' | 'ja';

/** A text cut at its placeholders: plain pieces and the names between them. */
export type Piece = { readonly text: string } | { readonly name: string };

export function pieces(template: string): readonly Piece[] {
  return template
    .split(/(\{\w+\})/)
    .filter((part) => part !== '')
    .map((part) => (/^\{\w+\}$/.test(part) ? { name: part.slice(1, -1) } : { text: part }));
}

export function fill(template: string, params: Params): string {
  return template.replace(/\{(\w+)\}/g, (hole, name: string) => String(params[name] ?? hole));
}

export function translator(catalogue: Catalogue): Translate {
  return (key, params = {}) => fill(catalogue[key], params);
}

/** The key if the catalogue has it: for words that come from the server. */
export function knownKey(key: string): Key | null {
  return Object.hasOwn(en, key) ? (key as Key) : null;
}

/** The first language of the reader's list that we have. */
export function preferredLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split('-')[0];
    if (language === 'ja' || language === 'en') return language;
  }
  return 'en';
}

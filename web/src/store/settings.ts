/** What the reader chose: language and theme, remembered in this browser; and the modes that the address asks for. */

import { computed, effect, signal } from '@preact/signals';
import { en } from '../i18n/en';
import { ja } from '../i18n/ja';
import { type Language, preferredLanguage, type Translate, translator } from '../i18n/translate';

export type Theme = 'dark' | 'light';

const LANGUAGE = 'camserver.language';
const THEME = 'camserver.theme';

const translators: Readonly<Record<Language, Translate>> = { en: translator(en), ja: translator(ja) };

const address = new URLSearchParams(location.search);
export const kiosk = address.get('kiosk') === '1';
/** Still pictures instead of the suggested camera's live view: asked for in the address, or by the browser. */
export const stillsOnly =
  address.get('still') === '1' || matchMedia('(prefers-reduced-data: reduce)').matches;
export const language = signal<Language>(preferredLanguage([recall(LANGUAGE), ...navigator.languages]));
export const theme = signal<Theme>(recall(THEME) === 'light' ? 'light' : 'dark');
const translate = computed(() => translators[language.value]);

/** Translates into the language in force; components that call it follow a switch. */
export const t: Translate = (key, params) => translate.value(key, params);

export function switchLanguage(): void {
  language.value = language.value === 'ja' ? 'en' : 'ja';
  remember(LANGUAGE, language.value);
}

export function switchTheme(): void {
  theme.value = theme.value === 'dark' ? 'light' : 'dark';
  remember(THEME, theme.value);
}

/** Keeps the document's attributes equal to the settings. */
export function showSettings(root: HTMLElement): void {
  effect(() => {
    root.lang = language.value;
    root.dataset.theme = theme.value;
    root.classList.toggle('kiosk', kiosk);
  });
}

/** Storage may be forbidden by the browser; then a choice lasts until the page reloads. */
function recall(key: string): string {
  try {
    return localStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    return;
  }
}

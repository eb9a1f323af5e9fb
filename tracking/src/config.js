/** What the page said about the script: attributes of its own tag, read while the script runs for the first time. */
import { quietly } from './text.js';

const tag = /** @type {HTMLScriptElement | null} */ (document.currentScript);

export const {
  /** what holds until the visitor decides: `granted`, `wait`, or `denied` (and anything misspelt) */
  consent = 'granted',
  /** `off`: the chat widget is told nothing */
  chatwoot,
  /** `off`: page views are counted only when the page says so */
  pages,
  /** country calling code of phone numbers typed without one */
  callingCode = '55',
  endpoint,
} = tag?.dataset || {};

/** Where events are sent: `/t` of the host that serves the script, unless the tag says otherwise. */
export const collector = quietly(() => new URL(endpoint || '/t', tag?.src).href) || '/t';

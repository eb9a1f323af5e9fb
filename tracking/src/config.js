/** What the tenant and the page said about the script; the tag's attributes win. Read as the script runs. */
import { quietly } from './text.js';

const tag = /** @type {HTMLScriptElement | null} */ (document.currentScript);

/** The collector puts the tenant's settings here as it serves the script. @type {Record<string, any>} */
const settings = { .../** @type {any} */ ('__CONFIG__'), ...tag?.dataset };

export const {
  /** what holds until the visitor decides: `granted`, `wait`, or `denied` (and anything misspelt) */
  consent = 'granted',
  /** `off`: the chat widget is told nothing */
  chatwoot,
  /** `off`: page views are counted only when the page says so */
  pages,
  /** hosts of the tenant's other sites, which links carry the visitor's id to */
  link = '',
} = settings;

/** Where events are sent: the script's own address without `.js`, unless the tag says otherwise. */
export const collector =
  quietly(() => new URL(settings.endpoint || /** @type {any} */ (tag).src.replace(/\.js\b.*/, ''), location.href).href) || '/t';

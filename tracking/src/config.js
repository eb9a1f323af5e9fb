/** The settings of the tenant and of the page's tag, which override the tenant's. Read while the script runs. */
import { quietly } from './quietly.js';

const tag = /** @type {HTMLScriptElement | null} */ (document.currentScript);

/** The collector replaces this text by an object, the tenant's settings. A text adds nothing that is read below. */
const tenantSettings = /** @type {any} */ ('__CONFIG__');

/** @type {Record<string, any>} */
const settings = { ...tenantSettings, ...tag?.dataset };

export const {
  /** The state until the visitor decides: `granted`, `wait`, or `denied`, which any other word means as well. */
  consent = 'granted',
  /** `off`: the script does not use the chat widget. */
  chatwoot,
  /** `off`: the page counts its views itself. */
  pages,
  /** Hosts of the tenant's other sites, separated by commas or spaces. */
  link,
} = settings;

/** Where events are posted: `data-endpoint`, or the address of the script without `.js`. */
export const collector =
  quietly(() => new URL(settings.endpoint || /** @type {HTMLScriptElement} */ (tag).src.replace(/\.js\b.*/, ''), location.href).href) ||
  '/t';

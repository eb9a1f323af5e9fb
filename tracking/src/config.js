/** What the page said about the script: attributes of its own tag. */

/**
 * @typedef {object} Config
 * @property {string} endpoint where events are sent
 * @property {'granted' | 'denied' | 'wait'} consent what holds until the visitor decides
 * @property {boolean} chatwoot whether the chat widget is told who the visitor is and where they came from
 * @property {boolean} forms whether submitted forms become events by themselves
 * @property {boolean} pages whether page views are recorded by themselves
 * @property {string} callingCode country calling code of phone numbers typed without one
 */

const CONSENTS = ['granted', 'denied', 'wait'];

/** @returns {Config} from the script's own tag, read while the script runs for the first time */
export function readConfig() {
  const tag = /** @type {HTMLScriptElement | null} */ (
    document.currentScript || document.querySelector('script[data-endpoint],script[src*="/t.js"]')
  );
  const data = (tag && tag.dataset) || {};
  const consent = data.consent || '';
  return {
    endpoint: new URL(data.endpoint || '/t', (tag && tag.src) || location.href).href,
    consent: /** @type {Config['consent']} */ (CONSENTS.includes(consent) ? consent : 'granted'),
    chatwoot: data.chatwoot !== 'off',
    forms: data.forms !== 'off',
    pages: data.pages !== 'off',
    callingCode: data.callingCode || '55',
  };
}

/** Addresses that lead to the tenant's other domains carry the visitor's token, when it has come in time. */
import { allowsAnalytics } from './consent.js';
import { visitNow } from './identity.js';
import { ask, TOKEN, tokens } from './introduction.js';
import { now, on, quietly } from './text.js';
import { foreign, without } from './touch.js';

const FRESH_MS = 60000; // of the 120 s that a token is good for

let askedAt = 0;

/**
 * Put the token into an address that leads to another domain, if there is one.
 * @param {Record<string, any>} holder a link, a form, or whatever has the address
 * @param {string} key under which it has it
 */
export const carry = (holder, key) =>
  quietly(() => {
    const url = new URL(holder[key], location.href);
    const token = tokens[visitNow().tracking_id];
    if (!token || !foreign.includes(url.hostname) || !allowsAnalytics()) return;
    url.search = without(url.search, TOKEN) + '&_el=' + token;
    holder[key] = url.href;
  });

export function watchHandover() {
  // While somebody uses the page a token is at hand: a link may be followed, a form sent, a window opened by code.
  on('pointerover focusin click', ({ target }) => {
    if (allowsAnalytics() && now() - askedAt > FRESH_MS) {
      askedAt = now();
      ask();
    }
    carry(target.closest('a'), 'href');
  });
  // Such a form loses the query of its action.
  on('formdata', ({ target: { action, method }, formData }) => {
    if (method === 'get') formData.set('_el', /** @type {any} */ (TOKEN.exec(action))[1]);
  });
  const { open } = window;
  window.open = function (/** @type {any[]} */ ...to) {
    carry(to, /** @type {any} */ (0));
    return open.call(this, ...to);
  };
}

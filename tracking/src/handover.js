/** Addresses that lead to the tenant's other domains carry the visitor's token, when it has come in time. */
import { allows } from './consent.js';
import { visitNow } from './identity.js';
import { ask, TOKEN, tokens } from './introduction.js';
import { now, on, quietly } from './text.js';
import { foreign, without } from './touch.js';

const FRESH_MS = 60000; // of the 120 s that a token is good for

let askedAt = 0;

/**
 * Put the token into an address that leads to another domain, and see that there is a fresh one.
 * @param {URL | HTMLAnchorElement} to
 * @returns {string | undefined} the address, if it is another now
 */
function carry(to) {
  if (!foreign.includes(to.hostname) || !allows('analytics')) return;
  if (now() - askedAt > FRESH_MS) {
    askedAt = now();
    ask(true);
  }
  const token = tokens[visitNow().tracking_id];
  if (!token) return;
  to.search = without(to.search, TOKEN) + '&_el=' + token;
  return to.href;
}

export function watchHandover() {
  on('pointerdown focusin click auxclick', ({ target }) => {
    const link = target.closest('a');
    const form = target.form || target.closest('form');
    if (link) carry(link);
    else if (form) {
      const action = carry(new URL(form.action));
      if (action) form.action = action;
    } else carry(new URL('http://' + foreign[0])); // it may open a window
  });
  // Such a form loses the query of its action.
  on('formdata', ({ target: { action, method }, formData }) => {
    if (method === 'get') formData.set('_el', /** @type {any} */ (TOKEN.exec(action))[1]);
  });
  const { open } = window;
  window.open = function (href, ...rest) {
    quietly(() => (href = carry(new URL(/** @type {string} */ (href), location.href)) || href));
    return open.call(this, href, ...rest);
  };
}

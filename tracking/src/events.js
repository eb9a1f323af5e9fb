/** An event from what happened to the queue: with ids, page, arrivals, and what consent leaves of them. */
import { syncChatwoot } from './chatwoot.js';
import { allowsAnalytics, consentOfEvent, isWaiting } from './consent.js';
import { fillFields } from './fields.js';
import { visitNow } from './identity.js';
import { introduced } from './introduction.js';
import { pageReferrer } from './pages.js';
import { entries, push, remove, save } from './queue.js';
import { clock, cut, json, parse, quietly, uuid7 } from './text.js';
import { currentTouch, permitted } from './touch.js';
import { flush } from './transport.js';
import { know } from './user.js';

/** @typedef {import('./queue.js').Event} Event */
/** @typedef {import('./user.js').User} User */

/** @type {Event[]} what happened before the visitor decided on consent; lost with the page, as agreed */
let held = [];

/** Sent whatever `analytics` says: the visitor asked for it themself, or it is the decision. @param {Event} event */
const isOwed = ({ name }) => /^(form_submit|identify|consent)$/.test(name);

/** @param {string} name @param {object} [properties] @param {User} [said] what the visitor said of themself */
export const record = (name, properties, said) =>
  quietly(() => {
    admit({
      event_id: uuid7(),
      name,
      ...visitNow(),
      occurred_at: clock(),
      page: {
        url: cut(location.href, 4096),
        title: cut(document.title),
        referrer: cut(pageReferrer()),
        query: cut(location.search).slice(1),
      },
      touch: currentTouch(),
      context: {
        language: navigator.language,
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        screen: screen.width + 'x' + screen.height,
        viewport: innerWidth + 'x' + innerHeight,
        script_version: SCRIPT_VERSION,
      },
      user: said && know(said),
      // The page's own may be too many, a circle, or no object: the event goes without them.
      properties: quietly(() => parse(/** @type {any} */ (/^{[^]{0,39999}$/.exec(json(properties)))[0])) || {},
    });
    introduced.then(syncChatwoot);
    fillFields();
  });

/** Queue an event as far as the visitor allows; hold it while they have not said. @param {Event} event */
function admit(event) {
  if (allowsAnalytics() || isOwed(event)) {
    push({ ...permitted(event), consent: consentOfEvent() });
    flush();
  } else if (isWaiting()) held.push(event);
}

/** The visitor decided: what waited goes, as far as they allow. */
export function review() {
  for (const event of held.splice(0).concat(entries().map(([, event]) => event))) {
    remove(event);
    admit(event);
  }
}

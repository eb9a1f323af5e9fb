/** Page views, in ordinary pages and in single-page applications. */
import { quietly } from './text.js';

const SETTLE_MS = 50; // routers change the address first and the title after, and often twice

/** @type {string} the address of the last counted view */
let counted = '';
/** @type {string} what the visitor saw before it */
let previous = document.referrer;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** An address is another page when its path changes, or a fragment that is a route. @param {string} url */
function routeOf(url) {
  const [address, fragment = ''] = url.split('#');
  return address.split('?')[0] + (/^!?\//.test(fragment) ? '#' + fragment.split('?')[0] : '');
}

/** @param {string} url */
const queryOf = (url) => url.split('#')[0].split('?').slice(1).join('?');

/** The referrer of the view that is open: the page before it, also within an application. */
export const pageReferrer = () => previous;

/** Count the page that is open now. @param {(properties?: object) => void} view @param {object} [properties] */
export function countPage(view, properties) {
  clearTimeout(timer);
  if (counted) previous = counted;
  counted = location.href;
  view(properties);
}

/** @param {(properties?: object) => void} view called once for each page the visitor sees */
export function watchPages(view) {
  /** @param {boolean} byQuery whether a new query alone is a new page */
  const changed = (byQuery) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const isNew = routeOf(location.href) !== routeOf(counted) || (byQuery && queryOf(location.href) !== queryOf(counted));
      if (isNew) countPage(view);
    }, SETTLE_MS);
  };
  for (const name of /** @type {('pushState' | 'replaceState')[]} */ (['pushState', 'replaceState'])) {
    const original = history[name];
    history[name] = function (...args) {
      const result = original.apply(this, args); // an error of the page's own call is the page's own
      quietly(() => changed(name === 'pushState')); // replaceState tidies queries, and that is no new page
      return result;
    };
  }
  addEventListener('popstate', () => changed(true));
  addEventListener('hashchange', () => changed(false));
  addEventListener('pageshow', (event) => event.persisted && countPage(view)); // back, from the browser's page cache
  countPage(view);
}

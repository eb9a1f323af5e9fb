/** The page view that is open: its address, and the page before it, which may be of the same single-page application. */

let address = '';
let referrer = document.referrer;

/** An address without the parts that change on the same page: the query, and a fragment unless it is a route. @param {string} url */
const pageOf = (url) => url.replace(/\?[^#]*|#(?!!?\/).*/g, '');

/** Whether the page is another one than that of the open view. */
export const isOtherPage = () => pageOf(location.href) !== pageOf(address);

/** The address of the page before this view, empty for none. */
export const pageReferrer = () => referrer;

export function openView() {
  referrer = address || referrer;
  address = location.href;
}

/** The same page counts again. */
export function closeView() {
  address = '';
}

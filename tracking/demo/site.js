/** The demo page's own behaviour: the chat button, the consent banner, Chatwoot's widget loaded as Chatwoot documents. */
const tag = document.querySelector('script[data-chatwoot-url]');

const { chatwootUrl, websiteToken } = tag.dataset;
if (chatwootUrl) {
  window.chatwootSettings = { locale: 'pt_BR', position: 'right', type: 'standard' };
  const sdk = document.createElement('script');
  sdk.src = `${chatwootUrl}/packs/js/sdk.js`;
  sdk.async = true;
  sdk.onload = () => window.chatwootSDK.run({ websiteToken, baseUrl: chatwootUrl });
  document.head.append(sdk);
}

// The page is whole without the chat: its buttons appear once the widget can answer them.
const chatButtons = document.querySelectorAll('[data-chat]');
addEventListener('chatwoot:ready', () => chatButtons.forEach((button) => (button.hidden = false)));
chatButtons.forEach((button) => button.addEventListener('click', () => window.$chatwoot?.toggle('open')));

const POLICY_VERSION = '2026-01';
const CHOICES = {
  accept: { analytics: true, marketing: true },
  refuse: { analytics: true, marketing: false },
  none: { analytics: false, marketing: false },
};
// The choice counts for the script whether or not it has loaded yet: calls wait in a queue.
window.echolead ||= function () {
  (window.echolead.q ||= []).push(arguments);
};
const banner = document.querySelector('.consent');
const decided = () => {
  try {
    return localStorage.getItem('consentimento') === POLICY_VERSION;
  } catch {
    return false;
  }
};
if (!decided()) banner.showModal();
banner.addEventListener('click', ({ target }) => {
  const choice = CHOICES[target.dataset.consent];
  if (!choice) return;
  window.echolead('consent', choice, { policy_version: POLICY_VERSION });
  banner.close();
  try {
    localStorage.setItem('consentimento', POLICY_VERSION);
  } catch {
    // The banner will ask again on the next page.
  }
});
document.querySelector('[data-open-consent]').addEventListener('click', () => banner.showModal());

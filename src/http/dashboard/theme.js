/** Light, dark, or the system's theme; stored in this browser. */
import { byId, setText } from './dom.js';
import { say } from './language.js';

const order = /** @type {const} */ (['auto', 'light', 'dark']);
const labels = {
  auto: `◐ ${say('theme.auto')}`,
  light: `☀ ${say('theme.light')}`,
  dark: `☾ ${say('theme.dark')}`,
};

/** @param {() => void} changed redraws canvases */
export function createTheme(changed) {
  const button = byId('theme', HTMLButtonElement);
  let theme = order.find((one) => one === read()) ?? 'auto';

  function apply() {
    if (theme === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    setText(button, labels[theme]);
    button.setAttribute('aria-label', say(`theme.colours.${theme}`));
    changed();
  }

  button.addEventListener('click', () => {
    theme = order[(order.indexOf(theme) + 1) % order.length] ?? 'auto';
    try {
      localStorage.setItem('theme', theme);
    } catch {
      // without storage the choice lasts until the page is closed
    }
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  apply();
}

function read() {
  try {
    return localStorage.getItem('theme');
  } catch {
    return null; // storage is forbidden here
  }
}

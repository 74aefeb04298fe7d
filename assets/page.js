// What the whole page needs and Gradio has not: the colours that were chosen, a voice for what screen readers should
// say, moving pictures that wait for those who want no motion, Escape for messages. It is in the page's head.
//
// What Gradio draws is found by its classes; where they change, nothing breaks, and tests/test_accessibility.py tells.

(() => {
  const COLOURS = 'sign-studio-colours'; // light or dark; nothing: as the system has it
  const address = new URL(window.location.href);
  const kept = () => { try { return localStorage.getItem(COLOURS); } catch { return null; } };

  // Gradio reads __theme as well, and its settings write it. A colour that the address asks for is not taken away.
  if (!address.searchParams.has('__theme') && ['light', 'dark'].includes(kept())) {
    address.searchParams.set('__theme', kept());
    history.replaceState(history.state, '', address);
  }

  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const still = window.matchMedia('(prefers-reduced-motion: reduce)');
  const chosen = () => {
    const asked = new URL(window.location.href).searchParams.get('__theme');
    return ['light', 'dark'].includes(asked) ? asked : 'system';
  };
  const paint = () => {
    const wanted = chosen() === 'system' ? (dark.matches ? 'dark' : 'light') : chosen();
    document.body.classList.toggle('dark', wanted === 'dark');
    for (const button of document.querySelectorAll('[data-colours]')) {
      const pressed = String(button.dataset.colours === chosen());
      if (button.getAttribute('aria-pressed') !== pressed) button.setAttribute('aria-pressed', pressed);
    }
  };
  const choose = (colours) => {
    const here = new URL(window.location.href);
    if (colours === 'system') here.searchParams.delete('__theme'); else here.searchParams.set('__theme', colours);
    history.replaceState(history.state, '', here);
    try {
      if (colours === 'system') localStorage.removeItem(COLOURS); else localStorage.setItem(COLOURS, colours);
    } catch { /* a browser that keeps nothing still shows it now */ }
    paint();
  };
  // Gradio listens too, for the system's colours as they were when the page was loaded; this comes after it.
  dark.addEventListener('change', () => setTimeout(paint));

  // A message that comes into the page with its role is not said everywhere; one that changes in a place that has been
  // there all the time is. Progress bars have no such role: nobody wants to hear each of their steps.
  const voice = document.createElement('div');
  voice.id = 'studio-voice';
  voice.setAttribute('role', 'status');
  const say = (words) => {
    voice.textContent = '';
    setTimeout(() => { voice.textContent = words; }, 50);
  };
  const speak = () => {
    const fresh = [...document.querySelectorAll('.studio-progress[role=status], .notes[role=status]')]
      .filter((one) => one.ariaLive !== 'off' && one.offsetParent);
    for (const one of fresh) one.ariaLive = 'off';
    if (fresh.length) say(fresh.map((one) => one.innerText).join(' '));
  };

  const mend = () => {
    speak();
    for (const toast of document.querySelectorAll('.toast-body:not([data-mended])')) {
      toast.dataset.mended = '';
      if (toast.classList.contains('error')) {
        toast.setAttribute('role', 'alert');
        toast.setAttribute('aria-live', 'assertive');
      }
      // A button that holds a button: the one inside, to close, is the one that is needed.
      const head = toast.querySelector('.toast-header[role=button]');
      head?.removeAttribute('role');
      head?.removeAttribute('tabindex');
    }
    for (const empty of document.querySelectorAll('.empty[aria-label]:not([role])')) empty.setAttribute('role', 'img');
    // A link that holds a button: two stops of the keyboard for one thing.
    for (const button of document.querySelectorAll('a[download] > button:not([tabindex])')) {
      button.parentElement.setAttribute('aria-label', button.getAttribute('aria-label') || button.innerText);
      button.tabIndex = -1;
      button.setAttribute('aria-hidden', 'true');
    }
    if (still.matches) {
      for (const clip of document.querySelectorAll('video[autoplay], video[loop]')) {
        if (clip.srcObject) continue; // a camera
        clip.autoplay = clip.loop = false;
        clip.pause();
      }
    }
    if (document.querySelector('[data-colours]:not([aria-pressed])')) paint();
  };

  document.addEventListener('click', (event) => {
    const skip = event.target.closest?.('a.skip');
    if (skip) {
      event.preventDefault();
      const panel = [...document.querySelectorAll('[role=tabpanel]')].find((one) => one.offsetParent);
      panel?.setAttribute('tabindex', '-1');
      panel?.focus();
    }
    const colours = event.target.closest?.('[data-colours]');
    if (colours) choose(colours.dataset.colours);
    const forget = event.target.closest?.('[data-forget]');
    if (forget && window.confirm(forget.dataset.forget)) {
      for (const key of Object.keys(localStorage)) if (key.startsWith('sign-studio-')) localStorage.removeItem(key);
      window.location.assign(window.location.pathname);
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') for (const close of document.querySelectorAll('.toast-close')) close.click();
  });
  // Gradio adds the script when the page is there already.
  document.body.append(voice);
  new MutationObserver(mend).observe(document.body, {childList: true, subtree: true});
  mend();
  paint();
})();

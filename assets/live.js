// The Live tab's camera: shows it, sends small pictures of it to the studio, draws what comes back.
//
// Gradio runs this once, with `element` (the component), `server` (the functions of studio/ui/tabs/live.py) and
// `props.words` (what the page says, in the language of the studio).
// The preview is mirrored, because people sign into a mirror; what is sent is not, or left and right would be swapped.
// Pictures are never queued: at most two are on their way, and the next one leaves when the studio is about to be free
// for it, so that it does not wait there and grow old.

const MAX_IN_FLIGHT = 2;
const WIDTH = 384; // longest side of what is sent, pixels: hands are found as well as in larger pictures
const JPEG_QUALITY = 0.8;
const MAX_FAILURES = 3;
const FACTS_MS = 500;
const NUM_SIGNS = 8;
const FINGERS = [[0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [5, 9, 10, 11, 12], [9, 13, 14, 15, 16], [13, 17, 18, 19, 20], [0, 17]];
const ARMS = [[0, 1], [0, 2], [2, 4], [1, 3], [3, 5]];
const WORDS = props.words;

const part = (name) => element.querySelector(`[data-live="${name}"]`);
const video = part('video'), canvas = part('overlay'), button = part('go'), pen = canvas.getContext('2d');
const small = document.createElement('canvas'), brush = small.getContext('2d', {alpha: false});
let run = null; // what belongs to one start of the camera; null while it is off
let ending = null; // the run whose last sign is still awaited

const say = (name, text) => { const at = part(name); if (at.textContent !== text) at.textContent = text; };
const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

function showState(state) {
  element.querySelector('.live').dataset.state = state;
  button.textContent = {off: WORDS.start, starting: WORDS.cancel, on: WORDS.stop}[state];
  say('state', {off: WORDS.camera_off, starting: WORDS.starting, on: ''}[state]);
}

async function start() {
  ending = null;
  const mine = run = {token: crypto.randomUUID?.() ?? `${Math.random()}-${performance.now()}`, stream: null,
    inFlight: 0, nextMs: 0, timer: 0, drawnMs: 0, failures: 0, signs: 0, waits: [], works: [], factsMs: 0, opening: null};
  say('error', '');
  say('tip', '');
  showState('starting');
  try {
    if (!navigator.mediaDevices) throw new Error(WORDS.not_safe);
    mine.stream = await navigator.mediaDevices.getUserMedia({audio: false,
      video: {width: {ideal: 640}, height: {ideal: 480}, frameRate: {ideal: 30}, facingMode: 'user'}});
    if (run !== mine) return release(mine); // cancelled meanwhile
    mine.stream.getVideoTracks()[0].onended = () => run === mine && stop(WORDS.went_away);
    video.srcObject = mine.stream;
    await video.play();
    await open(mine);
    if (run !== mine) return;
    showState('on');
    watch(mine);
  } catch (error) {
    if (run === mine) stop(WORDS[error.name] ?? error.message);
    else release(mine);
  }
}

// Have the studio watch this camera. Asked for again when the studio has switched it off after a silence.
async function open(mine) {
  const answer = await server.open_camera({token: mine.token});
  if (run !== mine) { server.close_camera({token: mine.token}); return; }
  if (answer.error) throw new Error(answer.error);
  mine.signs = 0;
  say('recognizer', answer.description);
}

function release(mine) {
  mine.stream?.getTracks().forEach((track) => track.stop());
  clearTimeout(mine.timer);
}

async function stop(because = '') {
  const mine = run;
  if (!mine) return;
  run = null;
  ending = mine;
  release(mine);
  video.srcObject = null;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  showState('off');
  say('error', because);
  for (const name of ['tip', 'guess']) say(name, '');
  showFacts(null);
  try {
    const last = await server.close_camera({token: mine.token});
    if (last?.num_signs !== undefined && ending === mine) showSigns(mine, last); // a sign that was still being made
  } catch { /* the studio frees it by itself after a while */ }
}

// One call per new frame of the camera; while the page is hidden there is none.
function watch(mine) {
  const next = (callback) => video.requestVideoFrameCallback?.(callback) ?? requestAnimationFrame(callback);
  next((now) => {
    if (run !== mine) return;
    mine.frameMs = now;
    send(mine);
    watch(mine);
  });
}

function send(mine) {
  clearTimeout(mine.timer);
  if (run !== mine || mine.opening || mine.frameMs === mine.sentMs || mine.inFlight >= MAX_IN_FLIGHT) return;
  const early = mine.inFlight ? mine.nextMs - performance.now() : 0;
  if (early > 1) { mine.timer = setTimeout(send, early, mine); return; }
  const scale = Math.min(1, WIDTH / Math.max(video.videoWidth, video.videoHeight));
  if (!video.videoWidth) return;
  const grabbedMs = performance.now();
  small.width = Math.round(video.videoWidth * scale);
  small.height = Math.round(video.videoHeight * scale);
  brush.drawImage(video, 0, 0, small.width, small.height);
  mine.sentMs = mine.frameMs;
  mine.inFlight += 1;
  mine.nextMs = grabbedMs + middle(mine.works);
  server.see_camera({token: mine.token, time_ms: grabbedMs, picture: small.toDataURL('image/jpeg', JPEG_QUALITY)})
    .then((view) => { if (run === mine) answered(mine, view, grabbedMs); })
    .catch((error) => {
      mine.failures += 1;
      if (run === mine && mine.failures >= MAX_FAILURES) stop(WORDS.no_answer.replace('{error}', () => error.message ?? error));
    })
    .finally(() => { mine.inFlight -= 1; send(mine); });
}

function answered(mine, view, grabbedMs) {
  if (view?.off) {
    mine.opening ??= open(mine)
      .catch((error) => run === mine && stop(error.message))
      .finally(() => { mine.opening = null; send(mine); });
    return;
  }
  if (view?.error) { stop(view.error); return; }
  mine.failures = 0;
  if (!view || view.time_ms <= mine.drawnMs) return; // passed over, or older than what is shown
  mine.drawnMs = view.time_ms;
  draw(view);
  const now = performance.now();
  mine.waits = [...mine.waits.slice(-14), now - grabbedMs];
  mine.works = [...mine.works.slice(-14), view.work_ms];
  showSigns(mine, view);
  say('guess', view.guess ? `${view.guess} …` : '');
  say('tip', view.tip ?? '');
  if (now - mine.factsMs > FACTS_MS) { mine.factsMs = now; showFacts(view, middle(mine.waits)); }
  element.dispatchEvent(new CustomEvent('live-drawn', {detail: {grabbed_ms: grabbedMs, drawn_ms: now, view}}));
}

function draw(view) {
  if (canvas.width !== video.videoWidth || canvas.height !== video.videoHeight) {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
  }
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.lineCap = pen.lineJoin = 'round';
  const thin = Math.max(1.5, canvas.width / 320);
  const trace = (points, chains, color) => {
    // Dark below light, so that it is seen on any background.
    for (const [style, width] of [['rgba(0, 0, 0, .65)', 2 * thin + 2], [color, thin]]) {
      pen.strokeStyle = style;
      pen.lineWidth = width;
      pen.beginPath();
      for (const chain of chains) {
        const there = chain.map((index) => points[index]);
        if (there.includes(null) || there.includes(undefined)) continue;
        there.forEach(([x, y], at) => pen[at ? 'lineTo' : 'moveTo'](x * canvas.width, y * canvas.height));
      }
      pen.stroke();
    }
  };
  trace(view.body, ARMS, '#ffffff');
  trace(view.hands[0], FINGERS, '#7dd3fc');
  trace(view.hands[1], FINGERS, '#fdba74');
}

// New words go to the end of the line one by one, so that a screen reader reads each of them once.
function showSigns(mine, view) {
  const fresh = Math.min(view.num_signs - mine.signs, view.recent.length);
  mine.signs = view.num_signs;
  if (fresh <= 0) return;
  for (const sign of view.recent.slice(-fresh)) {
    const word = document.createElement('span');
    word.textContent = sign.known ? sign.candidates[0].gloss : '?';
    if (!sign.known) word.setAttribute('aria-label', WORDS.unknown_spoken);
    if (!sign.known) word.setAttribute('role', 'img');
    part('caption').append(word, ' ');
    const row = document.createElement('li');
    const name = document.createElement('strong'), rest = document.createElement('span');
    const shown = ({gloss, confidence}) => `${gloss} ${Math.round(100 * confidence)} %`;
    const [first, ...others] = sign.candidates;
    name.textContent = sign.known ? shown(first) : WORDS.unknown;
    const perhaps = (sign.known ? others : sign.candidates).map(shown).join(', ');
    rest.textContent = perhaps && (sign.known ? WORDS.others : WORDS.nearest).replace('{signs}', () => perhaps);
    row.append(name, ' ', rest);
    part('signs').prepend(row);
  }
  while (part('caption').children.length > NUM_SIGNS) part('caption').firstElementChild.remove();
  while (part('signs').children.length > NUM_SIGNS) part('signs').lastElementChild.remove();
  part('empty').hidden = true;
}

function showFacts(view, waitMs) {
  const seen = (found) => (view ? (found ? WORDS.seen : WORDS.not_seen) : '–');
  say('fps', view ? view.fps.toFixed(0) : '–');
  say('delay', view ? `${waitMs.toFixed(0)} ms` : '–');
  say('body', seen(view?.body.length));
  say('left', seen(view?.hands[0].length));
  say('right', seen(view?.hands[1].length));
  const meter = part('activity'), percent = Math.round(100 * (view?.activity ?? 0));
  const words = view ? (view.signing ? WORDS.signing : WORDS.not_signing) : WORDS.off;
  meter.setAttribute('aria-valuenow', percent);
  meter.setAttribute('aria-valuetext', `${percent} %, ${words}`);
  meter.firstElementChild.style.width = `${percent}%`;
  say('signing', words);
}

function leave() {
  const mine = run;
  if (!mine) return;
  // A page that goes away may send nothing but this kind of request; the call is the one that `server` makes.
  const config = window.gradio_config;
  const component = config?.components?.find((one) => one.props?.elem_id === 'live-camera');
  if (component) {
    fetch(`${config.root}${config.api_prefix ?? ''}/component_server/`, {
      method: 'POST', keepalive: true, headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({data: {token: mine.token}, component_id: component.id, fn_name: 'close_camera', session_hash: mine.token}),
    }).catch(() => {});
  }
  stop();
}

button.addEventListener('click', () => (run ? stop() : start()));
part('clear').addEventListener('click', () => {
  ending = null;
  part('caption').replaceChildren();
  part('signs').replaceChildren();
  part('empty').hidden = false;
});
window.addEventListener('pagehide', leave);
// Nobody is filmed by a tab that is not shown.
setInterval(() => { if (run && button.offsetParent === null) stop(WORDS.left_tab); }, 1000);

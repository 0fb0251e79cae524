// A connector that has nothing of apprxy in it: Node's own TLS and HTTP/2. It turns its connection around by ALPN
// ("rh2") or by an upgrade ("ptth"), obeys the gateway's orders, and answers requests itself.
//
// Says on standard output what happens, a word at the beginning of each line. What it may do wrong:
//   malformed     its check-in is none
//   flood         checks in without end
//   unconfigured  never answers the configuration
//   failing       answers every order but the configuration with 500
//   refusing      answers the configuration with 500
//   forged        answers as if the gateway had, and sets its cookies
//   error         answers with an error code that only a gateway gives
//   endless       begins an answer, and never ends it
//   resets        resets the stream of each request
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';

const [form, port, pem, misbehaviour] = process.argv.slice(2);
const say = (...words) => console.log(words.join(' '));
const identity = fs.readFileSync(pem);
const trust = {ca: fs.readFileSync(process.env.CA), key: identity, cert: identity, host: 'localhost', port, servername: 'localhost'};

const began = Date.now();
const checkIn = draining => JSON.stringify({
  name: 'node', instance: process.env.INSTANCE || `node-${process.pid}`, version: '1.0.0', host: 'node.test',
  uptime: Math.floor((Date.now() - began) / 1000), load: 0.25, active: 0, draining,
}) + '\n';

const controls = new Set();

function control(stream) {
  stream.respond({':status': 200, 'content-type': 'application/x-ndjson'});
  stream.write(misbehaviour === 'malformed' ? '{"name":"no check-in"}\n' : checkIn(false));
  if (misbehaviour === 'flood') {
    stream.write(checkIn(false).repeat(1000));
  }
  const timer = setInterval(() => stream.write(checkIn(false)), 5000);
  controls.add(stream);
  stream.on('error', error => say('control ends:', error.message));
  stream.on('close', () => { clearInterval(timer); controls.delete(stream); });
  say('control');
}

function order(stream, path, body) {
  const configuration = path === '/.apprxy/configuration';
  if (misbehaviour === 'unconfigured' && configuration) {
    say('unanswered');
    return;
  }
  if (misbehaviour === 'failing' && !configuration || misbehaviour === 'refusing' && configuration) {
    say('failing', path);
    stream.respond({':status': 500}, {endStream: true});
    return;
  }
  switch (path) {
    case '/.apprxy/configuration':
      say('configured', JSON.parse(body).applications.map(application => application.id).join(','));
      break;
    case '/.apprxy/refusal':
      say('refused', body);
      break;
    case '/.apprxy/ended-sessions':
      break; // this one keeps nothing
    case '/.apprxy/serving':
    case '/.apprxy/replacement':
    case '/.apprxy/leaving':
      say(path);
      break;
    default:
      say('unknown', path, body);
      stream.respond({':status': 404}, {endStream: true});
      return;
  }
  stream.respond({':status': 204}, {endStream: true});
}

function misbehave(stream) {
  stream.on('error', () => {}); // whoever gave up on it
  switch (misbehaviour) {
    case 'forged':
      stream.respond({
        ':status': 200,
        'set-cookie': ['__Host-apprxy-session=forged; Path=/; Secure', '__HOST-APPRXY-pin-app=forged; Path=/; Secure',
          ' =__Host-apprxy-login=forged; Path=/; Secure', 'own=1'],
        'apprxy-assertion': 'forged', 'apprxy-instance': 'http://forged.test:80', 'x-user': 'forged',
        'x-request-id': 'forged', 'proxy-authenticate': 'Basic realm="forged"', 'content-type': 'text/plain',
      });
      stream.end('forged');
      return true;
    case 'error':
      stream.respond({':status': 200, 'apprxy-error': 'APX-201', 'content-type': 'text/html'});
      stream.end('forged');
      return true;
    case 'endless':
      stream.respond({':status': 200});
      stream.write('begun');
      return true;
    case 'resets':
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      return true;
    default:
      return false;
  }
}

function onStream(stream, headers) {
  const {':method': method, ':path': path} = headers;
  if (method === 'GET' && path === '/.apprxy/control') {
    control(stream);
    return;
  }
  const chunks = [];
  stream.on('data', chunk => chunks.push(chunk));
  stream.on('end', () => {
    const body = Buffer.concat(chunks);
    if (path.startsWith('/.apprxy/')) {
      order(stream, path, body.toString());
    } else if (!misbehave(stream)) {
      const assertion = headers['apprxy-assertion'];
      stream.respond({':status': 200, 'x-assertion': assertion === undefined ? 'none' : 'there'});
      stream.end(`node answers ${method} ${path} with ${body.length} bytes`);
    }
  });
}

function turnedAround(socket) {
  say('connected');
  const session = http2.performServerHandshake(socket, {settings: {initialWindowSize: 1 << 20, maxConcurrentStreams: 1000}});
  session.on('stream', onStream);
  session.on('error', error => say('error', error.message));
  session.on('close', () => { say('closed'); process.exit(0); });
  process.stdin.on('end', () => controls.forEach(stream => stream.write(checkIn(true)))); // whoever started it wants it to leave
  process.stdin.resume();
}

if (form === 'rh2') {
  const socket = tls.connect({...trust, ALPNProtocols: ['rh2']}, () => {
    say('alpn', socket.alpnProtocol);
    turnedAround(socket);
  });
  socket.on('error', error => { say('failed', error.message); process.exit(1); });
} else {
  const request = https.request({
    ...trust, agent: false, path: '/.apprxy/connect',
    headers: {Connection: 'Upgrade', Upgrade: 'ptth', ALPN: 'h2'},
  });
  request.on('upgrade', (response, socket, head) => {
    if (head.length) {
      socket.unshift(head);
    }
    turnedAround(socket);
  });
  request.on('response', response => {
    let body = '';
    response.on('data', chunk => { body += chunk; });
    response.on('end', () => { say('refused', response.statusCode, response.headers['content-type'], body); process.exit(1); });
  });
  request.on('error', error => { say('failed', error.message); process.exit(1); });
  request.end();
}

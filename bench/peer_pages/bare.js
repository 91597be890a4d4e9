/**
 * Bare data channels, as plain as they can be: main thread, ordered, messages of 64 KiB, high and low water of 1 MiB and
 * 256 KiB. The taker counts bytes and throws them away. What a data channel of this machine can give, and no more is asked.
 */
const MESSAGE_BYTES = 65_536;
const HIGH_BYTES = 1_048_576;
const LOW_BYTES = 262_144;

/** Chromium takes 120 ms to say that it has gathered all; this machine's own addresses are there at once. */
const GATHER_MS = 30;

const gathered = (connection) =>
  new Promise((resolve) => {
    const done = () => resolve(connection.localDescription.sdp);
    connection.onicecandidate = ({ candidate }) => {
      if (candidate === null) done();
      else setTimeout(done, GATHER_MS);
    };
  });

const open = () => {
  const connection = new RTCPeerConnection();
  const channel = connection.createDataChannel("bare", { negotiated: true, id: 1 });
  channel.binaryType = "arraybuffer";
  return { connection, channel };
};

let answering;
window.answer = async (offer, totalBytes) => {
  answering?.connection.close();
  answering = open();
  const { connection, channel } = answering;
  const message = new Uint8Array(MESSAGE_BYTES);
  let sent = 0;
  const pump = () => {
    while (channel.readyState === "open" && sent < totalBytes && channel.bufferedAmount < HIGH_BYTES) {
      channel.send(message);
      sent += MESSAGE_BYTES;
    }
  };
  channel.bufferedAmountLowThreshold = LOW_BYTES;
  channel.onbufferedamountlow = pump;
  channel.onopen = pump;
  await connection.setRemoteDescription({ type: "offer", sdp: offer });
  await connection.setLocalDescription();
  return gathered(connection);
};

const taking = [];
let receivedBytes = 0;
let calledMs;
let wantedBytes = 0;
let finish;
window.finished = new Promise((resolve) => {
  finish = resolve;
});
/** Offers for so many connections; `finished` is the milliseconds from this call to the last byte wanted. */
window.offer = async (count, totalBytes) => {
  calledMs = performance.now();
  wantedBytes = totalBytes;
  for (let made = 0; made < count; made += 1) {
    const taker = open();
    taking.push(taker);
    taker.channel.onmessage = ({ data }) => {
      receivedBytes += data.byteLength;
      if (receivedBytes < wantedBytes) return;
      finish(performance.now() - calledMs);
      for (const { connection } of taking) connection.close();
    };
    await taker.connection.setLocalDescription();
  }
  return Promise.all(taking.map(({ connection }) => gathered(connection)));
};
window.accept = (answers) =>
  Promise.all(answers.map((sdp, index) => taking[index].connection.setRemoteDescription({ type: "answer", sdp })));

/** What the two ends of an introduction say to each other through a relay; candidates are trickled. */
const signals = async (url, { connection }, heard) => {
  const socket = new WebSocket(url);
  const say = (message) => socket.send(JSON.stringify(message));
  socket.onmessage = async ({ data }) => {
    const message = JSON.parse(data);
    if (message.candidate) await connection.addIceCandidate(message.candidate);
    else await heard(message, say);
  };
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  return { socket, say };
};

let waiting;
/** A donor that waits for one offer and answers the first word with the first frame of a new connection. */
window.awaitOffer = async (url) => {
  waiting?.link.socket.close();
  waiting?.pair.connection.close();
  const pair = open();
  const link = await signals(url, pair, async (offer, say) => {
    await pair.connection.setRemoteDescription(offer);
    await pair.connection.setLocalDescription();
    say(pair.connection.localDescription); // with the candidates so far
    pair.connection.onicecandidate = ({ candidate }) => candidate && say({ candidate });
  });
  pair.channel.onmessage = () => pair.channel.send(new Uint8Array(16_384));
  waiting = { pair, link };
  return true;
};

let ready;
/** All that can be done before the click: a gathered offer, and the way to the relay. */
window.prepare = async (url) => {
  const pair = open();
  const link = await signals(url, pair, (answer) => pair.connection.setRemoteDescription(answer));
  await pair.connection.setLocalDescription();
  await gathered(pair.connection);
  ready = { pair, link };
  return true;
};
/** From the word that a donor is wanted to its first byte, milliseconds. */
window.firstByte = () =>
  new Promise((resolve) => {
    const { pair, link } = ready;
    const fromMs = performance.now();
    pair.channel.onopen = () => pair.channel.send("more");
    pair.channel.onmessage = () => resolve(performance.now() - fromMs);
    link.say(pair.connection.localDescription);
  });

/**
 * A page that is several donors at once: each has the store, session, serving and connections of a real donor page, under
 * a folder of its own. So 64 donors need four browsers, not 64.
 */
import { RtcHost, browserWindow } from "../../client/src/transport/rtc-host.ts";

const worker = new Worker("donors-worker.js");

/** Puts the segments that each donor is to hold into its store and starts it; resolves when all are in session. */
window.startDonors = ({ donors, ...start }) => {
  const ports = donors.map(() => {
    const channel = new MessageChannel();
    new RtcHost(channel.port1, browserWindow());
    return channel.port2;
  });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data === "online") resolve(true);
      else reject(new Error(data));
    };
    worker.postMessage({ donors, start, ports }, ports);
  });
};

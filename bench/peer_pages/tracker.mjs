/** A WebSocket tracker on 127.0.0.1, run from a folder where bittorrent-tracker is installed: `node tracker.mjs PORT`. */
import { argv } from "node:process";
import Server from "bittorrent-tracker/server";

new Server({ http: true, ws: true, udp: false, stats: false, interval: 2_000 }).listen(Number(argv[2]), "127.0.0.1");

// Drives stock Firefox by WebDriver BiDi for the Python tests (firefox.py), and Chromium where tabs have to be hidden
// as in life (chromium_tabs.py).
//
// Playwright can only drive a Firefox that it patched itself, and keeps every tab of Chromium visible, so this uses
// puppeteer-core of client/node_modules.
// Protocol: one JSON object a line. In: {"id", "method", "params"}; out: {"id", "result"} or {"id", "error"}, and
// {"console": text} for what the pages print. The bridge ends, and the browser with it, when its input ends.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../client/package.json", import.meta.url));
const puppeteer = require("puppeteer-core");

const PREFS = {
  // Host candidates with plain and with loopback addresses: no multicast DNS, no other interface needed.
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.peerconnection.ice.loopback": true,
  // Save into a folder without asking.
  "browser.download.folderList": 2,
  "browser.download.useDownloadDir": true,
  "browser.download.always_ask_before_handling_new_types": false,
  "browser.helperApps.neverAsk.saveToDisk": "application/octet-stream",
  "dom.storageManager.prompt.testing": true,
  "dom.storageManager.prompt.testing.allow": true,
  // No calls home: in a closed network each would wait.
  "app.update.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
  "extensions.systemAddon.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "toolkit.telemetry.enabled": false,
};

let browser = null;
const pages = new Map();
let pageCount = 0;

// Finds the visible, enabled button whose name is or begins with the text, also inside of open shadow roots.
function findButton(text, isPrefix) {
  const roots = [document];
  for (const root of roots) {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) roots.push(element.shadowRoot);
    }
    for (const button of root.querySelectorAll("button")) {
      const name = (button.getAttribute("aria-label") ?? button.textContent).trim().replace(/\s+/g, " ");
      const fits = isPrefix ? name.startsWith(text) : name === text;
      if (fits && !button.disabled && button.getClientRects().length > 0) return button;
    }
  }
  return null;
}

// The page, or that frame of it whose address has this text, as soon as it is there.
async function place({ page, frame }) {
  const tab = pages.get(page);
  return frame ? tab.waitForFrame((each) => each.url().includes(frame), { timeout: 10_000 }) : tab;
}

const methods = {
  async launch({ executable, profile, downloads, prefs }) {
    browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: executable,
      headless: true,
      userDataDir: profile,
      extraPrefsFirefox: { ...PREFS, ...prefs, "browser.download.dir": downloads },
      protocolTimeout: 120_000,
    });
    return { pid: browser.process().pid };
  },
  async launchChromium({ executable, profile, downloads, args }) {
    browser = await puppeteer.launch({
      browser: "chrome",
      executablePath: executable,
      headless: true,
      userDataDir: profile,
      args,
      // These keep hidden tabs as fast as visible ones: the very thing that is to be seen.
      ignoreDefaultArgs: [
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
      ],
      protocolTimeout: 120_000,
    });
    const session = await browser.target().createCDPSession();
    await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads });
    return { pid: browser.process().pid };
  },
  // Another tab comes in front of the page's.
  async cover() {
    const page = await browser.newPage();
    await page.bringToFront();
    return null;
  },
  // Of a tab that is hidden; one in sight is never frozen, whatever this says. Chromium alone.
  async setLifecycle({ page, state }) {
    const devtools = await pages.get(page).createCDPSession();
    await devtools.send("Page.setWebLifecycleState", { state });
    await devtools.detach();
    return null;
  },
  async newPage({ initScript }) {
    const page = await browser.newPage();
    page.on("console", (message) => send({ console: `[${message.type()}] ${message.text()}` }));
    page.on("pageerror", (error) => send({ console: `[uncaught] ${error.message}` }));
    if (initScript) await page.evaluateOnNewDocument(initScript);
    pageCount += 1;
    pages.set(pageCount, page);
    return pageCount;
  },
  async goto({ page, url }) {
    await pages.get(page).goto(url, { waitUntil: "load" });
    return null;
  },
  // Puppeteer's own waits for a load, which Firefox does not tell of a page that comes out of the back/forward cache.
  async goBack({ page }) {
    const tab = pages.get(page);
    const left = await tab.evaluate("setTimeout(() => history.back(), 0), location.href");
    for (let attempt = 0; attempt < 200; attempt += 1) {
      // Between two pages nothing can be evaluated.
      const here = await tab.evaluate("location.href").catch(() => left);
      if (here !== left) return null;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("still on the same page after 10 s");
  },
  async evaluate({ page, frame, expression }) {
    // By way of JSON, so that both browsers give Python the same values.
    const text = await (await place({ page, frame })).evaluate(`(async () => JSON.stringify(await (${expression})))()`);
    return text === undefined ? null : JSON.parse(text);
  },
  async click({ page, selector, button, holding }) {
    const { keyboard } = pages.get(page);
    if (holding) await keyboard.down(holding);
    await pages.get(page).click(selector, { button });
    if (holding) await keyboard.up(holding);
    return null;
  },
  async pressKey({ page, key }) {
    await pages.get(page).keyboard.press(key);
    return null;
  },
  async pressButton({ page, frame, text, isPrefix }) {
    const where = await place({ page, frame });
    const handle = await where.waitForFunction(findButton, { timeout: 10_000 }, text, isPrefix);
    await handle.asElement().click();
    return null;
  },
  async screenshot({ page, path }) {
    await pages.get(page).screenshot({ path });
    return null;
  },
  async closePage({ page }) {
    await pages.get(page).close();
    pages.delete(page);
    return null;
  },
};

function send(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { id, method, params } = JSON.parse(line);
  try {
    send({ id, result: await methods[method](params) });
  } catch (error) {
    send({ id, error: `${method}: ${error.message}` });
  }
});
lines.on("close", async () => {
  await browser?.close();
  process.exit(0);
});

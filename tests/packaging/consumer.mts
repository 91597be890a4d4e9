// A program of somebody else that uses the npm package: compiled, not run, by test_npm_package.py.
import {
  donate,
  download,
  DistributeError,
  type Donation,
  type DownloadOptions,
  type DownloadResult,
} from "distribute-io";

const options: DownloadOptions = {
  coordinator: "https://dl.example.org",
  key: ["ed25519:AAAA"],
  peers: "ask",
  signal: AbortSignal.timeout(1000),
  onProgress: (progress) => {
    const received: number = progress.receivedBytes;
    console.log(received);
  },
};

// @ts-expect-error a policy that does not exist
export const wrong: DownloadOptions = { coordinator: "https://dl.example.org", peers: "sometimes" };

export async function fetchIt(): Promise<string> {
  try {
    const result: DownloadResult = await download("https://mirror.example.net/app.iso", options);
    const sources: readonly { source: string; kind: "mirror" | "peer"; bytes: number }[] = result.bytesBySource;
    return `${result.sha256} ${String(result.blob?.size)} ${String(sources.length)}`;
  } catch (error) {
    return error instanceof DistributeError ? error.code : "unknown";
  }
}

export async function give(): Promise<void> {
  const donation: Donation = await donate({ coordinator: "https://dl.example.org", storageBytes: 16_000_000 });
  donation.change({ upBytesPerS: 500_000 });
  await donation.stop();
}

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ask, serve } from './http';
import { go, inBrowser, journey, until } from './journey';

inBrowser();

describe('the settings', () => {
  journey('the theme changes at once, and is there after a restart', async ({ page, program }) => {
    await go(page, 'Settings');
    await page.getByRole('radiogroup', { name: 'Theme' }).getByText('Light').click();
    await page.locator('html[data-theme=light]').waitFor();
    await page.getByRole('radiogroup', { name: 'Rows of the list' }).getByText('Comfortable').click();
    await page.locator('html[data-rows=comfortable]').waitFor();
    const kept = async () => JSON.parse(await readFile(join(program.dir, 'preferences.json'), 'utf8').catch(() => '{}')) as { theme?: string; rowHeight?: string };
    await until('the preferences are kept', async () => (await kept()).rowHeight === 'comfortable');
    expect((await kept()).theme).toBe('light');

    await program.stop();
    await program.run();
    await page.goto(program.url);
    await page.locator('html[data-theme=light][data-rows=comfortable]').waitFor();
    await page.getByRole('main', { name: 'Settings' }).waitFor(); // and the page that was seen last
  }, { expected: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE/ });

  journey('follow the system when they are told to', async ({ page }) => {
    await go(page, 'Settings');
    await page.getByRole('radiogroup', { name: 'Theme' }).getByText('As the system').click();
    await page.locator('html[data-theme=dark]').waitFor();
    await page.emulateMedia({ colorScheme: 'light' });
    await page.locator('html[data-theme=light]').waitFor();
  });

  journey('a listener is added, and takes requests', async ({ page, program }) => {
    const free = await serve();
    await free.close(); // its port is free now
    await go(page, 'Settings');
    await page.getByRole('button', { name: 'Add an address' }).click();
    await page.getByRole('textbox', { name: 'Address 2', exact: true }).fill(`127.0.0.1:${free.port}`);
    await page.getByRole('button', { name: 'Apply 1 change' }).click();
    await page.getByText('Applied 1 change.').waitFor();
    expect((await ask(`http://127.0.0.1:${free.port}/v1/items`)).status).toBe(200);
    const text = await program.config();
    expect(text).toContain(`127.0.0.1:${free.port}`);
    expect(text).toContain('# A comment that a person wrote.');
    await page.getByRole('contentinfo', { name: 'Status' }).getByText(`127.0.0.1:${free.port}`).waitFor();
  });

  journey('an address that is taken is told at its field, and nothing changes', async ({ page, program }) => {
    const taken = await serve();
    try {
      await go(page, 'Settings');
      const field = page.getByRole('textbox', { name: 'Address 1', exact: true });
      await field.fill(`127.0.0.1:${taken.port}`);
      await page.keyboard.press('Control+s');
      await until('the field is marked', async () => (await field.getAttribute('aria-invalid')) === 'true');
      const described = await field.getAttribute('aria-describedby');
      expect(await page.locator(`#${described}`).innerText()).toContain(String(taken.port));
      expect(await program.config()).not.toContain(String(taken.port));
      expect((await ask(`${program.proxy}/v1/items`)).status).toBe(200);
      await page.getByRole('button', { name: 'Discard' }).click();
      expect(await field.inputValue()).toBe('127.0.0.1:0');
    } finally {
      await taken.close();
    }
  }, { expected: /status of (400|409|503)/ });

  journey('a wrong value is told with the words of the program while it is typed', async ({ page }) => {
    await go(page, 'Settings');
    const field = page.getByRole('textbox', { name: 'Address 1', exact: true });
    await field.fill('127.0.0.1');
    await page.getByText('write host:port, as in 127.0.0.1:8080').waitFor();
    await field.fill('127.0.0.1:0');
    await page.getByText('write host:port').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: /^Apply/ }).waitFor({ state: 'hidden' });
  });

  journey('what an editor changes meanwhile is told, and Apply puts the draft in its place', async ({ page, program }) => {
    await go(page, 'Settings');
    await page.getByRole('group', { name: 'Trusted clients' }).getByRole('button', { name: 'Add' }).click();
    await page.getByRole('textbox', { name: 'Trusted clients, 1' }).fill('10.0.0.0/8');
    await writeFile(program.configFile, (await program.config()).replace('version = 1', 'version = 1\ntrusted = ["192.168.0.0/16"]'));
    await page.getByText('These settings were changed elsewhere meanwhile.').waitFor();
    await page.getByRole('button', { name: /^Apply/ }).click();
    await page.getByText(/^Applied/).waitFor();
    const text = await program.config();
    expect(text).toContain('10.0.0.0/8');
    expect(text).not.toContain('192.168.0.0/16');
  });

  journey('the certificate is exported, and its fingerprint copied', async ({ page, program }) => {
    await go(page, 'Settings');
    await page.getByRole('link', { name: 'Certificate' }).click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export the certificate' }).click()]);
    expect(download.suggestedFilename()).toBe('proxycache-ca.pem');
    expect(await readFile(await download.path(), 'utf8')).toMatch(/^-----BEGIN CERTIFICATE-----/);
    await page.getByRole('button', { name: 'Copy: SHA-256 fingerprint' }).click();
    await page.getByText('The fingerprint is on the clipboard.').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    await page.getByText(join(program.dir, 'traffic.db')).waitFor();
  });
});

/** Starts the wall. */

import { render } from 'preact';
import { App } from './App';
import { hidePointer, listenForShortcuts } from './shortcuts';
import { keepLive } from './store/live';
import { keepFresh } from './store/refresh';
import { kiosk, showSettings } from './store/settings';
import { follow } from './store/store';
import './styles/tokens.css';
import './styles/picture.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/header.css';
import './styles/live.css';
import './styles/now.css';
import './styles/cameras.css';
import './styles/events.css';
import './styles/dialog.css';

const page = new AbortController();
const root = document.getElementById('app');

showSettings(document.documentElement);
if (kiosk) hidePointer(document.documentElement, page.signal);
else listenForShortcuts(page.signal);
if (root !== null) render(<App />, root);
follow(page.signal);
keepFresh();
keepLive(page.signal);

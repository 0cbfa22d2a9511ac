if (window.parent === window) inBrowser();
else inHost(window.parent);

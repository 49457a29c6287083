#!/bin/sh
# Make sure that the browser tests find a Chromium: the system's, else one from the package manager
# (as root), else playwright's own. Where none can be had, say so loudly and go on: the tests that
# need it are left out and pytest lists them as skipped.
playwright=$1
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Chromium for the browser tests ..."
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && exit 0
fi
if "$playwright" install chromium; then exit 0; fi
echo "***************************************************************************"
echo "*** NO CHROMIUM COULD BE HAD: THE BROWSER TESTS ARE LEFT OUT OF THIS RUN ***"
echo "***************************************************************************"

# outlook-booking-sync: Node runs the TypeScript as it stands, so there is nothing to build.
#
#   docker build -t outlook-booking-sync .
#   docker run --env-file .env -e HOST=0.0.0.0 -p 127.0.0.1:8082:8082 outlook-booking-sync
#
# It needs no volume, no capability and no writable root file system; docs/install.md says how to run it.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# no package needs an install script at run time
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force \
 # what only a debugger or a type check reads is a third of the packages
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY database database
COPY sql sql
COPY src src
RUN chmod +x src/main.ts && ln -s /app/src/main.ts /usr/local/bin/outlook-booking-sync \
 && install -d -o node -g node node_modules/.cache
USER node
# the code as Node compiles it is kept in the image, because a container cannot write it: a start without settings compiles
# all of it, says what is missing (64), and ends
RUN outlook-booking-sync serve > /dev/null 2>&1 || [ $? -eq 64 ]
EXPOSE 8082
# the process lives and answers; whether it can work is for GET /ready, and no reason to restart it
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8082}/health`).then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["outlook-booking-sync"]
CMD ["serve"]

// The field above the groups finds operations: each word must occur in its method, path, summary or group.
const found = (words, tag, operation) => {
  const told = [
    tag,
    operation.get('method'),
    operation.get('path'),
    operation.getIn(['operation', 'summary']),
    operation.getIn(['operation', 'description']),
  ]
    .join(' ')
    .toLowerCase();
  return words.every((word) => told.includes(word));
};
const search = () => ({
  fn: {
    opsFilter: (groups, phrase) => {
      const words = phrase.toLowerCase().split(/\s+/);
      return groups
        .map((group, tag) =>
          group.update('operations', (operations) => operations.filter((one) => found(words, tag, one))),
        )
        .filter((group) => group.get('operations').size > 0);
    },
  },
});

// validatorUrl: null, or the page would send the document to a validator on another host
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  docExpansion: 'list',
  filter: true,
  plugins: [search],
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});

// Kept out of the page, since the hub allows no inline scripts.
window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  // The validator badge would ask a server elsewhere.
  validatorUrl: null,
})

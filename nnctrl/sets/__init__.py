"""Sets with certified support functions, containment and distances; outward rounding."""

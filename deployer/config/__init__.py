"""spark-deploy.yml: the environments that a repository deploys to."""
